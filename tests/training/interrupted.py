"""Runs of one training, killed with SIGKILL at random moments until one comes to its end.

    python interrupted.py PICTURES FOLDER KILLS SEED FLAGS...

Importing torch takes seconds, so that this process does it once and forks; every run is a process of its own that knows
nothing but what is on the disk. Prints how often a run was killed and whether its weights are those of a run that was
left alone, bit by bit.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from training.arguments import parse
from training.checkpoints import Stop
from training.group import Group
from training.learning import learn


def child(pictures: Path, place: Path, checkpoints: Path, flags: list[str]) -> None:
    """Train, or go on training, and leave the weights."""
    folders = [word for name in ("train", "valid", "test") for word in (f"--{name}", str(pictures / name))]
    words = [*folders, "--model-dir", str(place), "--checkpoints", str(checkpoints), "--threads", "1", *flags]
    with (place / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        trained = learn(parse(words, ""), Group(), Stop(), place / "cache", "code")
    torch.save({name: value.contiguous() for name, value in trained.network.state_dict().items()}, place / "new.pt")
    (place / "new.pt").replace(place / "weights.pt")


def start(pictures: Path, place: Path, flags: list[str]) -> int:
    place.mkdir(parents=True, exist_ok=True)
    number = os.fork()
    if number == 0:
        try:
            child(pictures, place, place / "checkpoints", flags)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return number


def ended(number: int, *, before_step: int, folder: Path) -> bool:
    """Wait for a run; False when it has come to a step first."""
    while step(folder) < before_step:
        found, status = os.waitpid(number, os.WNOHANG)
        if found:
            if status:
                raise SystemExit(f"a run ended with status {status}")
            return True
        time.sleep(0.002)
    return False


def step(folder: Path) -> int:
    """How far the newest checkpoint has come."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoints/*.pt")), default=0)


def main(words: list[str]) -> None:
    pictures, folder, kills, seed = Path(words[0]), Path(words[1]), int(words[2]), int(words[3])
    flags, rng, killed = words[4:], random.Random(seed), 0
    never = sys.maxsize
    ended(start(pictures, folder / "whole", flags), before_step=never, folder=folder / "whole")
    last = step(folder / "whole")
    while True:
        number = start(pictures, folder / "killed", flags)
        # now soon after the start, now some steps further than before, so that every speed of machine sees both
        further = step(folder / "killed") + 1 + rng.randrange(max(1, last // 10))
        moment = rng.choice((0, further)) if killed < kills else never
        if ended(number, before_step=moment, folder=folder / "killed"):
            break
        time.sleep(rng.uniform(0, 0.1))
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
        killed += 1
    one, other = (torch.load(folder / name / "weights.pt", weights_only=True) for name in ("whole", "killed"))
    same = one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    resumed = (folder / "killed" / "log").read_text().count("going on from a checkpoint")
    print(f"killed={killed} resumed={resumed} same={same}")


if __name__ == "__main__":
    main(sys.argv[1:])
