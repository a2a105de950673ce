#!/usr/bin/env bash
# statsmodels 0.15.0, multipletests with one undefined p-value (NaN: a metric that no sample of a cell defines, a t-test of
# equal differences): it is neither refused nor left out. Holm, Bonferroni and Sidak count it as a test, so that what
# was significant beside it no longer is (.04 becomes .08, not .04). Benjamini-Hochberg, Benjamini-Yekutieli, Hommel,
# Simes-Hochberg and the two-stage ones answer NaN for every test, and the same call may call such a test significant all
# the same: reject is True where the corrected p-value is NaN, so `reject` and `corrected < .05` of one call disagree.
# scipy's false_discovery_control refuses the same list. What helps: correct the defined ones alone. Exits 1 if that changes.
#
# Seen (tests called significant / corrected p-values, of NaN, .01, .04; behind the bar without the NaN):
#   bonferroni FTF nan 0.03 0.12 | TF 0.02 0.08
#   holm FTF nan 0.03 0.08 | TT 0.02 0.04
#   simes-hochberg FTF nan nan nan | TT 0.02 0.04
#   hommel FFF nan nan nan | TT 0.02 0.04
#   fdr_bh FTF nan nan nan | TT 0.02 0.04
#   fdr_by FFF nan nan nan | TF 0.03 0.06
#   fdr_tsbh FTT nan nan nan | TT 0.02 0.04
#   scipy 1.17.1: ValueError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
cat > "$work/look.py" <<'PY'
import numpy as np
import scipy
from statsmodels.stats.multitest import multipletests


def seen(p: list[float], method: str) -> str:
    reject, corrected = multipletests(p, method=method)[:2]
    return " ".join(["".join("FT"[int(told)] for told in reject), *(f"{value:.4g}" for value in corrected)])


for method in ("bonferroni", "holm", "simes-hochberg", "hommel", "fdr_bh", "fdr_by", "fdr_tsbh"):
    print(method, seen([np.nan, 0.01, 0.04], method), "|", seen([0.01, 0.04], method))
try:
    print(f"scipy {scipy.__version__}:", scipy.stats.false_discovery_control([np.nan, 0.01, 0.04]))
except ValueError as error:
    print(f"scipy {scipy.__version__}:", type(error).__name__)
PY
"$work/venv/bin/python" -W ignore "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
