#!/usr/bin/env bash
# torch 2.14.1: FlopCounterMode counts scaled_dot_product_attention on a CPU as nothing at all, without a word, where the
# fused kernel is taken (float32, no mask): the operator that the CPU dispatches to is not in the counter's registry, which knows
# those of the GPU. The same attention under sdpa_kernel(SDPBackend.MATH) is counted in full, as its two matrix products. So a
# budget of operations that is measured on a laptop misses all of attention, the more of it the longer the sequence. A
# custom_mapping from torch.ops.aten._scaled_dot_product_flash_attention_for_cpu to sdpa_flop_count mends it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q 'torch==2.14.1' 'numpy==2.4.6'
env/bin/python - <<'PY'
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

print("torch", torch.__version__)
q = k = v = torch.randn(1, 2, 128, 16)
expected = 2 * 2 * (2 * 128 * 128 * 16)  # heads, products, operations of one


def count(mapping=None, backend=None):
    counter = FlopCounterMode(display=False, custom_mapping=mapping)
    with counter:
        if backend is None:
            F.scaled_dot_product_attention(q, k, v)
        else:
            with sdpa_kernel(backend):
                F.scaled_dot_product_attention(q, k, v)
    return counter.get_total_flops()


def attention(q, k, v, *_, **__):
    return sdpa_flop_count(q, k, v)


fused, by_hand = count(), count(backend=SDPBackend.MATH)
mapped = count({torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention})
print("expected", expected, "fused", fused, "math", by_hand, "with a mapping", mapped)
assert (fused, by_hand, mapped) == (0, expected, expected), "behaviour changed"
PY
