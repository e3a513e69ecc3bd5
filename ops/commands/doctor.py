"""Is this account ready for the stage? Looks at tools, credentials, bootstrap, quotas of every type that the stage
uses, images, artefact and zones; each fault comes with its remedy. Changes nothing; exit status 5 where a deploy would
fail, 3 where AWS withheld something that was looked for.
"""

import argparse

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.watch.doctor import examination

    return examination.run(arguments)
