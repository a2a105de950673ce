#!/usr/bin/env bash
# torch 2.14.1: drawing a code by the largest of logits + Gumbel noise, as masked generative models do, goes wrong in bfloat16 and float16,
# and nothing is said. Noise of -log(-log(torch.rand(...))) ends at 5.5 in bfloat16 (7.6 in float16), where float32 goes past 15, for the
# largest number that rand gives there is 0.996; many codes tie at that top, and argmax takes the first. Of 8192 equally likely
# codes 97 % of the draws fall on the first tenth of the codebook. With logits that differ, codes that are likely anyway are
# drawn too often, as at a low temperature, so a model in bfloat16 looks sharper and less varied than the same in float32.
# torch.distributions.Gumbel does the same, and more. rand in bfloat16 is 0 for one number in 500, and its noise -inf. Not touched:
# torch.multinomial and gumbel_softmax, which use exponential_(), and noise of logits turned to float32. Exits 1 if that changes.
#
# Seen (2000 draws from 8192 codes: the share on the first tenth where all are equally likely; the share on the likeliest hundredth
# where logits differ; behind the bar the largest noise and the share of zeros of rand):
#   float32, -log(-log(rand)): 10 %, 36 % | 15.9, 0.0 %
#   float32, distributions.Gumbel: 10 %, 36 % | 15.2
#   float32, multinomial: 10 %, 36 %
#   float32, gumbel_softmax: 10 %, 36 %
#   float16, -log(-log(rand)): 34 %, 53 % | 7.6, 0.0 %
#   float16, distributions.Gumbel: 34 %, 70 % | 6.5
#   float16, multinomial: 10 %, 36 %
#   float16, gumbel_softmax: 10 %, 36 %
#   bfloat16, -log(-log(rand)): 97 %, 80 % | 5.5, 0.2 %
#   bfloat16, distributions.Gumbel: 97 %, 96 % | 4.4
#   bfloat16, multinomial: 10 %, 36 %
#   bfloat16, gumbel_softmax: 11 %, 36 %
#   the likeliest hundredth holds 37 %
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import torch

DRAWS, CODES = 2000, 8192
flat = torch.zeros(DRAWS, CODES)
logits = 2 * torch.randn(DRAWS, CODES, generator=torch.Generator().manual_seed(7))
likely = logits >= logits.topk(CODES // 100).values[:, -1:]


def per_cent(share, digits=0):
    return f"{100 * share.double().mean():.{digits}f} %"


def tell(name, draw, noise=""):
    """``draw`` draws a code for each row of logits."""
    codes = []
    for rows in (flat, logits):
        torch.manual_seed(0)
        codes.append(draw(rows.to(dtype)))
    tenth = per_cent(codes[0] < CODES // 10)
    print(f"{str(dtype)[6:]}, {name}: {tenth}, {per_cent(likely.gather(1, codes[1][:, None]))}{noise}")


for dtype in (torch.float32, torch.float16, torch.bfloat16):
    torch.manual_seed(0)
    uniform = torch.rand(DRAWS, CODES, dtype=dtype)
    noise = -torch.log(-torch.log(uniform))
    zeros = per_cent(uniform == 0, 1)
    tell("-log(-log(rand))", lambda rows: (rows + noise).argmax(-1), f" | {noise.max():.1f}, {zeros}")
    torch.manual_seed(0)
    gumbel = torch.distributions.Gumbel(torch.zeros(CODES, dtype=dtype), torch.ones(CODES, dtype=dtype))
    drawn = gumbel.sample((DRAWS,))
    tell("distributions.Gumbel", lambda rows: (rows + drawn).argmax(-1), f" | {drawn.max():.1f}")
    tell("multinomial", lambda rows: torch.multinomial(rows.softmax(-1), 1)[:, 0])
    tell("gumbel_softmax", lambda rows: torch.nn.functional.gumbel_softmax(rows, hard=True).argmax(-1))
hold = per_cent((logits.softmax(-1) * likely).sum(-1))
print(f"the likeliest hundredth holds {hold}")
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
