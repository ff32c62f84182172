"""PCRs of process mode, where no hypervisor measures an image: a digest over the files the enclave is made of.

It is a label for the programs that were started, computed by the side that starts them. It proves nothing to anybody
else, which is why it only ever stands in documents under a development root.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

_DOMAIN = b"DAAS-PROCESS-MEASURE-V1\0"
_PCRS = (0, 1, 2)
MAX_FILES = 65_536  # an interpreter with its packages has some thousands
MAX_NAME_BYTES = 4096


def measure_process(files: Mapping[str, Path]) -> dict[int, bytes]:
    """PCR0, PCR1 and PCR2 (48 B each) of the files, by their names, whatever folder they lie in.

    PCRi = SHA-384("DAAS-PROCESS-MEASURE-V1\\0" || u8 i || for each name in order of its UTF-8 bytes: u32 BE length ||
    name || SHA-256 of the content). Never zero, so that a process is never taken for debug mode. Raises `ValueError`
    for no files, too many, or a name over 4096 bytes, and `OSError` for a file that cannot be read.
    """
    if not 1 <= len(files) <= MAX_FILES:
        raise ValueError(f"1..{MAX_FILES} files are measured, not {len(files)}")
    manifest = bytearray()
    for name, path in sorted((name.encode(), path) for name, path in files.items()):
        if not 1 <= len(name) <= MAX_NAME_BYTES:
            raise ValueError(f"a measured file's name has 1..{MAX_NAME_BYTES} bytes, not {len(name)}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        manifest += len(name).to_bytes(4, "big") + name + digest
    return {index: hashlib.sha384(_DOMAIN + bytes((index,)) + manifest).digest() for index in _PCRS}
