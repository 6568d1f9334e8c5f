#!/usr/bin/env bash
# Sets up, then builds the documentation as a site into site/: open site/index.html. A broken link, a heading that is not
# there or a page outside the navigation fails the build. The build and the pages need no network.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
"$here/scripts/setup.sh" docs
cd "$here"
.venv/bin/python -m sphinx --quiet --fail-on-warning --keep-going -E -d build/site -c scripts/documentation . site "$@"
echo "site/index.html"
