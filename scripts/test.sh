#!/usr/bin/env bash
# Sets up, then runs every test; arguments go to pytest: `./scripts/test.sh -k daemon`.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
"$here/scripts/setup.sh" dev
cd "$here"
exec .venv/bin/python -m pytest "$@"
