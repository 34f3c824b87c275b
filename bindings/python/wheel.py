#!/usr/bin/env python3
"""Makes the wheel of once, without a network: wheel.py LIBRARY INTO."""

import base64
import hashlib
import pathlib
import re
import sys
import sysconfig
import zipfile

here = pathlib.Path(__file__).resolve().parent


def main(library: str, into: str) -> None:
    root = here.parent.parent
    version = re.search(r'ONCE_VERSION "(.*)"', (root / "bindings/c/include/once.h").read_text()).group(1)
    tag = "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
    files = {f"once/{path.name}": path.read_bytes() for path in sorted((here / "once").iterdir()) if path.is_file()}
    files[f"once/{pathlib.Path(library).name}"] = pathlib.Path(library).read_bytes()
    about = f"once-{version}.dist-info"
    text = (here / "README.md").read_text()
    files[f"{about}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: once\nVersion: {version}\n"
        "Summary: Real-time, peer-to-peer communication and notifications\nLicense: MPL-2.0\n"
        f"Requires-Python: >=3.9\nDescription-Content-Type: text/markdown\n\n{text}"
    ).encode()
    files[f"{about}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: once\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{about}/LICENSE"] = (root / "LICENSE").read_bytes()
    record = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}\n")
    record.append(f"{about}/RECORD,,\n")
    files[f"{about}/RECORD"] = "".join(record).encode()
    wheel = pathlib.Path(into) / f"once-{version}-{tag}.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    print(wheel)


main(*sys.argv[1:])
