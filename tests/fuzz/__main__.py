"""`python -m fuzz TARGET FOLDER [libFuzzer options]`, with tests/ as the working folder. Also `python -m fuzz --list`.

`--unpack TARGET FOLDER` writes the corpus there, `--keep TARGET FOLDER` stores what is new in FOLDER,
`--replay TARGET FILE...` runs single inputs without instrumentation and without atheris. tools/fuzz.sh drives it all.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from random import Random


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--list"]:
            from fuzz.targets import TARGETS

            print(*TARGETS)
        case ["--unpack", name, folder]:
            from fuzz import corpus

            corpus.unpack(name, Path(folder))
        case ["--keep", name, folder]:
            from fuzz import corpus

            print(f"{name}: {corpus.keep(name, Path(folder))} inputs stored")
        case ["--replay", name, *files]:
            from fuzz.targets import TARGETS

            for file in files:
                TARGETS[name].check(Path(file).read_bytes())
        case [name, folder, *options]:
            fuzz(name, folder, options)
        case _:
            sys.exit(__doc__)


def fuzz(name: str, folder: str, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process, with 0 when nothing was found."""
    import atheris

    with atheris.instrument_imports(
        include=["daas_protocol", "daas_attestation", "daas_chain", "daas_enclave", "daas_gateway"]
    ):
        from fuzz.targets import TARGETS
    target = TARGETS[name]
    # What the library says of hostile certificates is not for the reader of a fuzzer's log.
    warnings.simplefilter("ignore")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if target.mutate is None or random.randrange(2):
            changed: bytes = atheris.Mutate(data, max_size)
            return changed
        return target.mutate(data, random, lambda part: atheris.Mutate(part, max_size))[:max_size]

    # libFuzzer's merge starts itself again by this name, through a shell.
    command = f"{sys.executable} -m fuzz {name}"
    options = [command, folder, f"-max_len={target.max_bytes}", *options]
    atheris.Setup(options, target.check, **({} if target.mutate is None else {"custom_mutator": mutate}))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
