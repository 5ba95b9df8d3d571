#!/usr/bin/env bash
# A tiny Qwen3-VL, built offline, is evaluated through a real OpenAI-compatible server and in process:
#
#   PYTHON=python3.11 TORCH=torch==2.13.0 bash tests/real/serve.sh [VENV]
#
# Makes the virtual environment VENV (a temporary one by default). Needs a package index and 1.5 GB; a CPU is enough.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${1:-$work/venv}
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install -q "${TORCH:-torch==2.13.0}" "transformers[serving]==5.23.0" -e ".[openai,test]"
HF_HUB_OFFLINE=1 "$venv/bin/python" -m pytest tests/real
