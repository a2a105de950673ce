#!/usr/bin/env bash
# diffusers 0.42.1: FlowMatchEulerDiscreteScheduler.set_timesteps(N), called as every other scheduler is, spends its last step on the
# last thousandth of the noise: N steps run the model N times and come as far as N - 1. Levels that one gives oneself
# (sigmas=linspace(1, 1/N, N), as the pipelines do) use all of them. With a static shift the level before the last is shifted twice,
# once when the scheduler is made and once more in set_timesteps(): it is not sigma_min, the smallest level of the same object, but
# three times that with shift=3. Levels that one gives oneself are shifted once. Exits 1 if that changes.
#
# Seen (torch 2.14.1; data of standard deviation .5, whose flow is known: the sample is to end at .5 times its noise):
#   shift 1, sigma_min 0.0010: 4 steps at 1.0000 0.6670 0.3340 0.0010 0.0000
#   shift 3, sigma_min 0.0030: 4 steps at 1.0000 0.8577 0.6022 0.0089 0.0000
#   shift 3, levels 1 .75 .5 .25 given: 4 steps at 1.0000 0.9000 0.7500 0.5000 0.0000
#   2 steps: N alone ends at 0.001, given levels at 0.200
#   4 steps: N alone ends at 0.294, given levels at 0.341
#   8 steps: N alone ends at 0.404, given levels at 0.415
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6 diffusers==0.42.1
cat > "$work/look.py" <<'PY'
import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

SPREAD = 0.5  # of the data, around 0


def told(scheduler):
    return " ".join(f"{level:.4f}" for level in scheduler.sigmas.tolist())


def velocity(sample, level):
    """What a perfect model predicts for such data."""
    data = (1 - level) * SPREAD**2
    return sample * (level - data) / ((1 - level) * data + level**2)


def end(**levels):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(**levels)
    sample = torch.ones(1)
    for level, timestep in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        sample = scheduler.step(velocity(sample, level), timestep, sample).prev_sample
    return sample.item()


for shift in (1, 3):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(4)
    print(f"shift {shift}, sigma_min {scheduler.sigma_min:.4f}: 4 steps at {told(scheduler)}")
scheduler.set_timesteps(sigmas=[1, 0.75, 0.5, 0.25])
print(f"shift 3, levels 1 .75 .5 .25 given: 4 steps at {told(scheduler)}")
for steps in (2, 4, 8):
    given = np.linspace(1, 1 / steps, steps).tolist()
    alone, all_of_them = end(num_inference_steps=steps), end(sigmas=given)
    print(f"{steps} steps: N alone ends at {alone:.3f}, given levels at {all_of_them:.3f}")
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
