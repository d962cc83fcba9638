"""native.c compiled for this machine, once per process and only where the engine "native" is asked for."""

import ctypes
import functools
import hashlib
import logging
import shutil
import subprocess
import tempfile
from ctypes import c_float, c_int, c_void_p
from pathlib import Path

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("native.c")
# The sums may be reordered, which vectors need. Not -ffast-math: loading what it makes changes how the whole
# process rounds numbers near zero.
FLAGS = "-O3 -march=native -fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno -shared -fPIC -s"


class Block(ctypes.Structure):
    """The struct of that name in native.c."""

    _fields_ = [
        *((name, c_int) for name in ("width", "heads", "kv_heads", "head_dim", "middle")),
        *((name, c_float) for name in ("floor", "head_floor")),
        *((name, c_void_p) for name in ("qkv", "out", "gate_up", "down")),
        *((name, c_void_p) for name in ("qkv_scale", "out_scale", "gate_up_scale", "down_scale")),
    ]


def compiler() -> str | None:
    """Where the C compiler is; None where there is none."""
    return shutil.which("cc")


def compiles() -> bool:
    """Whether there is a compiler and native.c pleases it; what it says goes to the log."""
    if compiler() is None:
        return False
    try:
        library()
    except ValueError as error:
        log.warning("%s", error)
        return False
    return True


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled functions, and `digest`, which names this machine code. ValueError where they cannot be compiled."""
    if compiler() is None:
        raise ValueError("engine is 'native', which needs a C compiler: no cc was found")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "native.so")
        command = [compiler(), *FLAGS.split(), str(SOURCE), "-o", str(file), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"engine is 'native', but native.c does not compile here: {done.stderr.strip()[:500]}")
        try:
            loaded = ctypes.CDLL(str(file))
        except OSError as error:  # a folder for temporary files from which nothing may run
            raise ValueError(f"engine is 'native', but what was compiled cannot be loaded: {error}") from error
        loaded.digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    block, pointer, number = ctypes.POINTER(Block), c_void_p, c_int
    loaded.product.argtypes = [number, *4 * [pointer], number, number]
    loaded.step.argtypes = [block, number, *3 * [pointer], number, pointer, number, pointer, number, pointer]
    loaded.step_projected.argtypes = [block, number, *3 * [pointer], number, number, pointer]
    for function in (loaded.product, loaded.step, loaded.step_projected):
        function.restype = None
    return loaded
