"""Unpacks a frozen world: unpack.py WORLD FOLDER puts etcd's data into FOLDER/etcd and AWS's journal into FOLDER/aws.json."""
import lzma
import os
import shutil
import sys
import tarfile

world, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
with tarfile.open(os.path.join(world, "etcd.tar.xz")) as t:
    t.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
os.chmod(os.path.join(folder, "etcd"), 0o700)
with lzma.open(os.path.join(world, "aws.json.xz")) as packed, open(os.path.join(folder, "aws.json"), "wb") as out:
    shutil.copyfileobj(packed, out)
