#!/usr/bin/env bash
# hydra-optuna-sweeper 1.3.0 wants optuna under 3; pip then takes optuna 2.10.1 with the newest SQLAlchemy and alembic.
# Without a storage all is well. With one (hydra.sweeper.storage=sqlite:///trials.db), the sweep ends before its first
# trial in an AssertionError without a message: optuna writes its schema's version over a connection that SQLAlchemy 2 no
# longer commits by itself, and then finds the table empty. SQLAlchemy 1.4 works (alembic under 1.20 takes it), also with
# the file that was left so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q 'hydra-core==1.3.8' 'hydra-optuna-sweeper==1.3.0' 'optuna==2.10.1' 'sqlalchemy==2.1.9' 'alembic==1.20.1'
cat > app.py <<'PY'
import hydra


@hydra.main(version_base="1.3", config_path=None)
def run(config):
    return (config.x - 2.0) ** 2


run()
PY
sweep() {
    env/bin/python app.py -m hydra/sweeper=optuna hydra.sweeper.n_trials=2 hydra.sweeper.n_jobs=1 '+x=interval(0.0,4.0)' "$@" 2>&1
}
versions() { env/bin/pip list 2>/dev/null | grep -iE '^(optuna|sqlalchemy|alembic|hydra-optuna-sweeper) '; }
versions
sweep | grep 'Best value' || { echo "CHANGED: fails without a storage"; exit 1; }
if sweep hydra.sweeper.storage=sqlite:///trials.db hydra.sweeper.study_name=a > said.txt; then
    echo "CHANGED: works with SQLAlchemy 2"
    exit 1
fi
tail -4 said.txt
grep -q '^AssertionError$' said.txt || { echo "CHANGED: fails otherwise"; exit 1; }
env/bin/python - <<'PY'
import sqlite3

rows = list(sqlite3.connect("trials.db").execute("SELECT * FROM alembic_version"))
print("alembic_version", rows)
raise SystemExit("CHANGED: there is a version" if rows else 0)
PY
env/bin/pip install -q 'sqlalchemy==1.4.54' 'alembic==1.19.2'
versions
sweep hydra.sweeper.storage=sqlite:///trials.db hydra.sweeper.study_name=a | grep 'Best value' \
    || { echo "CHANGED: fails with SQLAlchemy 1.4"; exit 1; }
echo "as described"
