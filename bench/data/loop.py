"""What a user writes first, `upload_file` picture by picture: `python -m bench.data.loop FOLDER BUCKET`."""

import sys
from pathlib import Path

import boto3


def main(folder: Path, bucket: str) -> None:
    s3 = boto3.client("s3")
    for file in sorted(folder.rglob("*.jpg")):
        s3.upload_file(str(file), bucket, f"dataset/bench/{file.relative_to(folder).as_posix()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
