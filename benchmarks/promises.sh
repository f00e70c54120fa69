#!/usr/bin/env bash
# What the pipeline promises, at the demo's full size: another model runs its own stages alone, going back runs none, branches
# compare, a fresh clone has nothing to do, and a training that was killed ends in the same bytes.
#   benchmarks/promises.sh FOLDER      FOLDER: a clone in which `make demo` has run; it is committed to there
set -euo pipefail
cd "$1"
PATH=$PWD/.venv/bin:$PATH
whole=$(mktemp -d)
trap 'rm -rf "$whole"' EXIT
commit() { git add -A && git -c user.name=promises -c user.email=promises@example.org commit -qm "$1" --allow-empty; }
same() { sha256sum --quiet -c "$whole/sums" && echo "the same bytes"; }
commit start
git branch -f first
sha256sum data/demo/ranks/test.parquet metrics/test.json >"$whole/sums"

echo "== another model"
dvc exp run -S model=bpr_mf | grep -E "^Running stage|didn't change"
git checkout -q -B second && commit bpr_mf

echo "== back"
time dvc exp run -S model=ante_rnn | grep -E "^Running stage|is cached"
same
git checkout -q -f second && dvc checkout -q

echo "== two branches"
dvc metrics diff first second --targets metrics/test.json
git checkout -q -f first && dvc checkout -q

echo "== a fresh clone"
git clone -q . "$whole/clone"
(cd "$whole/clone" && dvc repro --allow-missing --dry | tail -1)

echo "== killed half-way"
dvc repro -f -s train >"$whole/killed" 2>&1 &
until grep -q "epoch 6: validation" "$whole/killed"; do sleep 0.2; done
pkill -9 -f "stages[.]train" || true
wait || true
dvc repro -f -s train 2>&1 | grep -E "resumed|best epoch"
dvc repro -q evaluate
same
