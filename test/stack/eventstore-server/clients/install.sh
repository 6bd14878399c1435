#!/usr/bin/env bash
# The official clients in Python (PyPI) and Java (Maven Central) that test/stack/eventstore-server/clients.test.ts runs.
# Repeatable; what is there already is left alone.
set -euo pipefail
# Without HOME the shell knows it of the account.
home=~
cache="${PARLEY_SERVERS_CACHE-$home/.cache/parley-servers}"
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

install_python() {
  local wanted="$cache/python/requirements.txt"
  cmp -s "$here/requirements.txt" "$wanted" && return
  mkdir -p "$cache/python"
  python3 -m venv --clear "$cache/python/venv"
  "$cache/python/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  # Last, so that an install that was interrupted is begun again.
  cp "$here/requirements.txt" "$wanted"
}

install_java() {
  local wanted="$cache/java/pom.xml"
  cmp -s "$here/pom.xml" "$wanted" && return
  rm -rf "$cache/java"
  mkdir -p "$cache/java"
  mvn --quiet --batch-mode -f "$here/pom.xml" "$plugin:copy-dependencies" "-DoutputDirectory=$cache/java/lib"
  cp "$here/pom.xml" "$wanted"
}

install() {
  install_python
  install_java
}
install
