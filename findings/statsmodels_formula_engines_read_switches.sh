#!/usr/bin/env bash
# statsmodels 0.15.0: one formula over true/false columns (an ablation's switches) is two models. The release brings a second reader of
# formulas, formulaic, beside patsy, the default; SM_FORMULA_ENGINE or statsmodels.formula.options choose. patsy takes a boolean column for
# two categories, formulaic for the numbers 0 and 1. With the main effect in the formula the fit is the same under other names (hold for
# hold[T.True], so code that looks a switch up by its name fails). Without it the model is another one: "y ~ hold - 1" is
# two means or one, "y ~ kind:hold" has a mean for each of the four groups or sets the kinds equal where the switch is off, and
# gives other residuals and p-values, without a warning. C(hold) is the same in both. Exits 1 if that changes.
#
# Seen (patsy 1.0.3, formulaic 1.2.2, pandas 3.1.1; parameters and residual sum of squares):
#   y ~ hold | patsy: Intercept, hold[T.True] 233.97
#   y ~ hold | formulaic: Intercept, hold 233.97
#   y ~ hold - 1 | patsy: hold[False], hold[True] 233.97
#   y ~ hold - 1 | formulaic: hold 271.88
#   y ~ kind:hold | patsy: Intercept, hold[T.True], kind[T.color]:hold[False], kind[T.color]:hold[True] 192.18
#   y ~ kind:hold | formulaic: Intercept, kind[add]:hold, kind[color]:hold 208.61
#   y ~ C(hold) - 1 | patsy: C(hold)[False], C(hold)[True] 233.97
#   y ~ C(hold) - 1 | formulaic: C(hold)[False], C(hold)[True] 233.97
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
    statsmodels==0.15.0 patsy==1.0.3 formulaic==1.2.2 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/look.py" <<'PY'
import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.formula import options

generator = np.random.default_rng(0)
rows = pd.DataFrame({"hold": generator.random(200) < 0.5, "kind": generator.choice(["add", "color"], 200)})
rows["y"] = 1 + 0.5 * rows.hold - 0.6 * (rows.kind == "color") + generator.normal(size=200)
for formula in ("y ~ hold", "y ~ hold - 1", "y ~ kind:hold", "y ~ C(hold) - 1"):
    for engine in ("patsy", "formulaic"):
        options.formula_engine = engine
        fit = smf.ols(formula, rows).fit()
        print(f"{formula} | {engine}: {', '.join(fit.params.index)} {fit.ssr:.2f}")
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
