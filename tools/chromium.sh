#!/usr/bin/env bash
# Sees to it that there is a Chromium for the tests of pages. Debian's and Ubuntu's package is installed by root only;
# everybody else is told what to do, and those tests say the same.
set -euo pipefail
for name in chromium chromium-browser google-chrome-stable google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "== Chromium for the tests of pages, a minute or two the first time"
  if apt-get update -qq && apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
    exit 0
  fi
fi
echo "Chromium could not be installed; the tests of pages will fail. On Debian and Ubuntu: sudo apt install chromium" >&2
