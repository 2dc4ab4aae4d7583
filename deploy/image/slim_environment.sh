#!/bin/sh
# Takes out of a virtual environment what running does not need, and compiles what it does: where the
# root is read-only, no process could do so later.
#
#   slim_environment.sh ENVIRONMENT
set -eu

environment=$1
packages=$(echo "$environment"/lib/python3*/site-packages)

"$environment/bin/pip" --quiet uninstall --yes setuptools pip
rm -rf "$environment"/bin/activate* "$environment"/bin/Activate*
find "$packages" -type d \( -name tests -o -name __pycache__ -o -path '*/numpy/*/include' \) -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.a' -o -name '*.c' -o -name '*.h' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.pyx' \) -delete
# Libraries in folders *.libs were made movable in a way that strip breaks.
find "$packages" -type f -name '*.so*' ! -path '*.libs/*' -exec strip --strip-unneeded {} +

# Importing compiles, and shows that what was taken away is not missed.
"$environment/bin/python" - <<'PYTHON'
import importlib
import pkgutil

import rtcdp

optional = {"attr", "attrs", "authlib", "cachetools", "fastavro", "grpc_tools", "httpx2"}
optional |= {"pandas", "py4j", "pyarrow", "pyspark", "river"}
for module in pkgutil.walk_packages(rtcdp.__path__, "rtcdp."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in optional:
                raise
PYTHON
