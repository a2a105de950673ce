#!/usr/bin/env bash
# diffusers 0.42.1: its schedulers for tokens count their steps in opposite ways, and the wrong way ends without a word. All have the
# list timesteps that loops go over. AmusedScheduler's counts down, and its step 0 is the last; DiscreteDDIMScheduler's counts up. So does
# BlockRefinementScheduler.step(), but the timesteps of the same object count down: `for t in scheduler.timesteps`, the loop of all other
# schedulers, begins with the last step and ends with the first, which forgets what was committed. Without a mask
# token (mask_token_id=None, as DiffusionGemma has it) all but the first step's share of the tokens is then noise. With a mask token the
# direction does not matter, but a scheduler whose set_timesteps() was not called, though timesteps is there, commits
# nothing. Exits 1 if that changes.
#
# Seen (torch 2.14.1; 64 tokens, 8 steps, a model that gives the right one .6; right ones at the end):
#   timesteps: Amused down, BlockRefinement down, DiscreteDDIM up
#   DiscreteDDIM: timesteps 64, range 64
#   BlockRefinement, mask token: timesteps 64, range 64
#   BlockRefinement, no mask token: timesteps 8, range 64
#   BlockRefinement, mask token, set_timesteps not called: 0 right, 64 masked
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6 diffusers==0.42.1
cat > "$work/look.py" <<'PY'
import math

import torch
from diffusers.schedulers.scheduling_amused import AmusedScheduler
from diffusers.schedulers.scheduling_block_refinement import BlockRefinementScheduler
from diffusers.schedulers.scheduling_discrete_ddim import DiscreteDDIMScheduler

TOKENS, STEPS, CODES = 64, 8, 1024
MASK = CODES
right = torch.arange(TOKENS)[None]
# greedy draws find the right token, whose probability is .6
logits = torch.zeros(1, TOKENS, CODES)
logits.scatter_(-1, right[..., None], math.log(0.6 / 0.4 * (CODES - 1)))


def end(scheduler, order, sample, set_timesteps=True, **options):
    generator = torch.Generator().manual_seed(0)
    if set_timesteps:
        scheduler.set_timesteps(STEPS)
    for step in scheduler.timesteps if order == "timesteps" else range(STEPS):
        sample = scheduler.step(logits, step, sample, generator=generator, **options).prev_sample
    return sample


def count(sample):
    return int((sample == right).sum())


masked = torch.full((1, TOKENS), MASK)
noise = torch.randint(TOKENS, CODES, (1, TOKENS), generator=torch.Generator().manual_seed(1))
schedulers = {
    "Amused": AmusedScheduler(MASK),
    "BlockRefinement": BlockRefinementScheduler(block_length=TOKENS),
    "DiscreteDDIM": DiscreteDDIMScheduler(),
}
ways = []
for name, scheduler in schedulers.items():
    scheduler.set_timesteps(STEPS)
    first, last = scheduler.timesteps[0], scheduler.timesteps[-1]
    ways.append(f"{name} {'up' if first < last else 'down'}")
print("timesteps:", ", ".join(ways))
for name, make, sample, options in (
    ("DiscreteDDIM", DiscreteDDIMScheduler, noise, {}),
    ("BlockRefinement, mask token", lambda: BlockRefinementScheduler(TOKENS), masked, {"mask_token_id": MASK}),
    ("BlockRefinement, no mask token", lambda: BlockRefinementScheduler(TOKENS), noise, {}),
):
    found = [f"{order} {count(end(make(), order, sample, **options))}" for order in ("timesteps", "range")]
    print(f"{name}: {', '.join(found)}")
left = end(BlockRefinementScheduler(TOKENS), "range", masked, set_timesteps=False, mask_token_id=MASK)
print(
    "BlockRefinement, mask token, set_timesteps not called:",
    f"{count(left)} right, {int((left == MASK).sum())} masked",
)
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
