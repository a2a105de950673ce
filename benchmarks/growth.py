"""How the cost of an edit grows: ``python benchmarks/growth.py`` (ten minutes on two cores, nothing else running).

Steps, sides, pictures at once and, for each preset of ``conf/speed``, the part of the picture that is edited: seconds beside
counted operations, with the one line through all points. Writes ``growth.json`` and draws ``growth.png`` beside this file.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import edit_sides
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

HERE = Path(__file__).parent
ROUNDS, STEPS = 2, 4
FUSED_ATTENTION = (
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
)  # the counter knows the GPU's alone
PANELS: dict[str, list[dict[str, Any]]] = {
    "steps": [{"variant": "plain", "steps": steps} for steps in (1, 2, 4, 8)],
    "side": [{"variant": "plain", "steps": STEPS, "side": side} for side in (512, 768, 1024, 1280)],
    "batch": [{"variant": "plain", "steps": STEPS, "side": 512, "batch": batch} for batch in (1, 2, 4, 8)],
    **{
        f"area, {preset}": [{"variant": preset, "steps": 12, "area": area} for area in (0.1, 0.3, 0.6, 1.0)]
        for preset in ("balanced", "fast")
    },
}


def attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: Any, **__: Any) -> int:
    """Operations of the fused kernel."""
    return sdpa_flop_count(q, k, v)


def main() -> None:
    """Count, measure in turns, write, draw."""
    torch.set_num_threads(edit_sides.THREADS)
    edit = edit_sides.ours()
    points = [
        {"panel": panel, "edit": asked, "seconds": []} for panel, row in PANELS.items() for asked in row
    ]
    with torch.inference_mode():
        for point in points:
            with FlopCounterMode(display=False, custom_mapping={FUSED_ATTENTION: attention}) as counter:
                edit(**point["edit"])
            point["teraflops"] = counter.get_total_flops() / 1e12
        for turn in range(ROUNDS):
            for point in points:
                start = time.perf_counter()
                edit(**point["edit"])
                point["seconds"].append(time.perf_counter() - start)
            print(f"round {turn + 1} of {ROUNDS} is done", flush=True)
    (HERE / "growth.json").write_text(json.dumps(points, indent=1) + "\n")
    draw(points)


def draw(points: list[dict[str, Any]]) -> None:
    """One panel a thing that grows: medians and ranges, and what operations alone would predict."""
    work = np.array([point["teraflops"] for point in points])
    median = np.array([statistics.median(point["seconds"]) for point in points])
    per_teraflop = float((work * median).sum() / (work * work).sum())
    names = list(dict.fromkeys(point["panel"].partition(",")[0] for point in points))
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3.2), layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        for panel in dict.fromkeys(point["panel"] for point in points if point["panel"].startswith(name)):
            own = [point for point in points if point["panel"] == panel]
            x = [point["edit"][name] for point in own]
            middle = [statistics.median(point["seconds"]) for point in own]
            low, high = ([f(point["seconds"]) for point in own] for f in (min, max))
            spread = [np.subtract(middle, low), np.subtract(high, middle)]
            drawn = axis.errorbar(x, middle, spread, fmt="o", label=panel.partition(", ")[2] or "measured")
            line = [per_teraflop * point["teraflops"] for point in own]
            axis.plot(x, line, "--", color=drawn.lines[0].get_color(), label="operations")
        axis.set(xlabel=name, ylabel="seconds", ylim=(0, None))
        axis.legend(fontsize=7)
    figure.suptitle(f"an edit, 23 M parameters, 1024 pixels; dashed: {1 / per_teraflop * 1000:.0f} GFLOP/s")
    figure.savefig(HERE / "growth.png", dpi=110)
    print(f"{1 / per_teraflop * 1000:.0f} GFLOP/s through all points")


if __name__ == "__main__":
    main()
