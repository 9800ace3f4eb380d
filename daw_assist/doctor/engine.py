"""Checks of what thinks: the server, the models, and what they run on.

numpy and onnxruntime are loaded inside the checks that need them, in a process of their own (see `table`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from daw_assist.doctor.finding import Asked, Finding
from daw_assist.errors import DawAssistError
from daw_assist.server.client import Client, ServerLink
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.protocol import ServerStatus
from models_onnx import manifest as models

CONNECT_S = 0.5
ANSWER_S = 3.0
REINSTALL = "install daw-assist again (from a clone: the files in models_onnx/files as they are there)"


def check_server(
    asked: Asked,
    ask: Callable[[Asked], ServerStatus | None] | None = None,
    holder: Callable[[Endpoint], str | None] | None = None,
) -> Finding:
    """Whether a server answers at the endpoint, how its engine is, and which live process it has."""
    endpoint = endpoint_from(asked.endpoint)
    status = (ask or ask_server)(asked)
    if status is None:
        pid = (holder or _holder)(endpoint)
        if pid is not None:
            told = f"process {pid} holds {endpoint} but does not answer"
            return Finding("server", "problem", told, f"it hangs or is stopped: end it (kill {pid})")
        return Finding("server", "ok", f"none at {endpoint}; live starts its own")
    engine = status.engine
    told = f"version {status.server_version} (process {status.pid}) at {endpoint}, engine {engine.state}"
    if engine.state == "ready":
        told += f": {engine.model} on {engine.provider}"
    if engine.restarts:
        told += f", restarted {engine.restarts} times"
    if status.live is None:
        told += "; no live process"
    else:
        rolls = "running" if status.live.get("running") else "standing still"
        told += f"; live process: {rolls} at {status.live.get('bpm', '?')} BPM ({status.live.get('why', '?')})"
    if engine.state in ("down", "stopped"):
        why = f" ({engine.reason})" if engine.reason else ""
        return Finding("server", "problem", told + why, "daw-assist ask shutdown, then start live or serve again")
    if engine.restarts:
        return Finding("server", "warning", told, "the engine died: run daw-assist --verbose serve to see why")
    return Finding("server", "ok", told)


def ask_server(asked: Asked) -> ServerStatus | None:
    """The status, None if there is no server; `EngineError` if it does not answer, `ProtocolError` if it is not ours."""
    endpoint = endpoint_from(asked.endpoint)
    if endpoint.folder is not None and not endpoint.folder.exists():
        return None
    link = ServerLink(endpoint)
    try:
        if not link.wait_for_server(CONNECT_S):
            return None
    finally:
        link.close()
    with Client(endpoint) as client:
        status: ServerStatus = client.request("status", ANSWER_S)
    return status


def _holder(endpoint: Endpoint) -> str | None:
    """The process that has the endpoint's lock; looks, takes nothing."""
    try:
        import fcntl  # not there on Windows

        if endpoint.folder is None:
            return None
        with (endpoint.folder / "server.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(16).strip() or "unknown"
    except (ImportError, OSError):
        return None
    return None


def check_models(
    asked: Asked, vocab: Callable[[], str] | None = None, others: Callable[[], list[str]] | None = None
) -> Finding:
    """Whether the model asked for is there, and every installed one is the one its manifest names."""
    wrong, right = [], []
    for name in dict.fromkeys((asked.model, *models.installed())):
        try:
            _whole(name, (vocab or _vocab)())
            right.append(name)
        except models.ModelError as error:
            wrong.append(str(error))
    for name in (others or _harmony)():
        if ": " in name:
            wrong.append(name)
        else:
            right.append(name)
    if wrong:
        return Finding("models", "problem", "; ".join(wrong), REINSTALL)
    return Finding("models", "ok", f"SHA-256 and vocabulary are right: {', '.join(right)}")


def _whole(name: str, vocab: str) -> None:
    folder = models.find(name)
    told = models.read(folder)
    if hashlib.sha256(models.graph_bytes(folder, told)).hexdigest() != told.sha256:
        raise models.ModelError(f"model {told.name}: {told.file} is not the one its manifest names (SHA-256 differs)")
    reader = models.reader_bytes(folder, told)
    if reader is not None and hashlib.sha256(reader).hexdigest() != told.reader_sha256:
        raise models.ModelError(f"model {told.name}: {told.reader} is not the one its manifest names (SHA-256 differs)")
    if told.vocab_sha256 != vocab:
        raise models.ModelError(f"model {told.name} was trained on another vocabulary than this version's")


def _vocab() -> str:
    from daw_assist.tokens.vocab import vocab_hash

    return vocab_hash()


def _harmony() -> list[str]:
    """Name of each harmonization model that is whole; `name: fault` of each that is not."""
    from models_onnx.harmony_files import KINDS, find_harmony, installed_harmony

    found = []
    for name in dict.fromkeys((*KINDS, *installed_harmony())):
        faults = []
        for kind in KINDS:
            try:
                folder, told = find_harmony(name, kind)
            except models.ModelError as error:
                faults.append(str(error))
                continue
            for graph, sha256 in told.graphs.items():
                path = folder / f"{graph}.onnx"
                if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                    found.append(f"model {name}: {path.name} is missing, or not the one its manifest names")
                    break
            else:
                found.append(name)
            break
        else:
            found.append(f"model {name}: {faults[0]}")
    return found


def check_provider(
    asked: Asked,
    load: Callable[[Asked], str] | None = None,
    missing: Callable[[], str | None] | None = None,
) -> Finding:
    """What the model runs on, and for CUDA that was asked for and is not had, the library that is missing."""
    try:
        had = (load or _provider_of)(asked)
    except (DawAssistError, models.ModelError) as error:
        if asked.provider != "cuda":
            return Finding("provider", "problem", str(error), REINSTALL)
        told = (missing or _missing_for_cuda)()
        found = "CUDA was asked for and cannot be had" + (f": {told}" if told else "")
        return Finding("provider", "problem", found, _cuda_advice(told))
    return Finding("provider", "ok", f"{had} (asked: {asked.provider})")


def _cuda_advice(missing: str | None) -> str:
    if missing and ("libcuda." in missing or "nvcuda" in missing):
        return "install NVIDIA's driver, or take --provider cpu, which is fast enough"
    return "pip install 'daw-assist[cuda]', whose libraries are found by themselves; or take --provider cpu, which is fast enough"


def _provider_of(asked: Asked) -> str:
    import onnxruntime

    from models_onnx.session import DecoderSession

    folder = models.find(asked.model)
    told = models.read(folder)
    session = DecoderSession.open(folder, asked.provider, asked.threads, asked.threads)
    return f"{session.provider}, ONNX Runtime {onnxruntime.__version__}, {told.precision}"


def _missing_for_cuda() -> str | None:
    from models_onnx.providers import missing_for_cuda

    return missing_for_cuda()
