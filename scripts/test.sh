#!/usr/bin/env bash
# Sets up, then runs every test; arguments go to pytest: `./scripts/test.sh -k daemon`, `-n 0` for one after the other.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
"$here/scripts/setup.sh" dev
cd "$here"
# The tests mostly wait for processes, so four at a time suit two cores.
exec .venv/bin/python -m pytest -n 4 --dist worksteal "$@"
