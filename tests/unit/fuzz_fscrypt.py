"""Cases of the fuzz for what reads the program fscrypt and its metadata; ``fuzz_cases.py`` takes them in."""

from __future__ import annotations

import json

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_files, fscrypt_program
from ansible_collections.lustre.core.plugins.module_utils._resources import encryption_program_state
from tests.unit.fuzzing import Case, answering, recorded

STATUS = recorded(
    *(f"fscrypt_program/{name}" for name in ("status-empty", "status-mount", "status-busy", "policy-torn-status")),
    *(f"fscrypt_program/{name}" for name in ("protector-torn-status", "junk-status")),
)
FILE = {"live": "sound", "copy": "missing", "same": False, "protectors": ["1" * 16]}
ANSWER = {"/mnt/fs1": {"policies": {"/mnt/fs1/a": "a" * 32}, "files": {"policies/" + "a" * 32: FILE}}}
CONFIG = '{"options": {"padding": "32", "contents": "AES_256_XTS", "filenames": "AES_256_CTS", "policy_version": "2"}}'

ELSEWHERE: dict[str, Case] = {
    "encryption_program_state.program_on": Case(
        answering(lambda run: encryption_program_state.program_on(run, "/mnt/lustre", fscrypt_files.Metadata())), STATUS
    ),
}
CASES: dict[str, Case] = {
    "fscrypt_program.parse_status": Case(lambda text: fscrypt_program.parse_status(text, "/mnt/lustre"), STATUS),
    "fscrypt_program.status": Case(answering(lambda run: fscrypt_program.status(run, "/mnt/lustre")), STATUS),
    "fscrypt_program.accepts": Case(
        answering(lambda run: fscrypt_program.accepts(run, "/mnt/lustre"), 1),
        recorded("fscrypt_program/probe-not-set-up"),
    ),
    "fscrypt_program.release": Case(answering(fscrypt_program.release), recorded("fscrypt_program/version")),
    "fscrypt_program.parse_config": Case(fscrypt_program.parse_config, (CONFIG,), (ValueError,)),
    "fscrypt_files.look": Case(
        answering(lambda run: fscrypt_files.look(run, {"/mnt/fs1": ("fs1", ["/mnt/fs1/a"])})), (json.dumps(ANSWER),)
    ),
}
