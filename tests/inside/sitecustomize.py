"""Run by Python at the start of every process the tests start: no network, and a verb to test with.

`MEDFM_TEST_VERBS` names a folder of verbs that join the real ones, so that the real executable
can be driven through every outcome in a fraction of a second, without a training library.
"""

import os

import loopback

loopback.only()
if folder := os.environ.get("MEDFM_TEST_VERBS"):
    import medfm_cli.commands as commands

    commands.__path__.append(folder)
    names = (entry.name for entry in os.scandir(folder) if entry.name[0] not in "._")
    commands.VERBS += tuple(sorted(names))
