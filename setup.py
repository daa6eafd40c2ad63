"""Map the repository's folders into the one installed package, `medfm_cli`.

`commands/`, `recipes/` and `completions/` stand at the top of the repository because people
read them first; installed they are `medfm_cli.commands`, `.recipes` and `.completions`, so
that site-packages holds a single name.
"""

from setuptools import find_packages, setup

MAPPED = ("commands", "recipes", "completions")

setup(
    packages=[
        *find_packages(include=["medfm_cli", "medfm_cli.*"]),
        *(
            f"medfm_cli.{name}"
            for name in find_packages(include=[p for m in MAPPED for p in (m, f"{m}.*")])
        ),
    ],
    package_dir={"medfm_cli": "medfm_cli", **{f"medfm_cli.{m}": m for m in MAPPED}},
)
