"""Running commands of an image apart from this machine: no network, no daemon, nothing left behind.

`probe.choose` says how much the machine allows, `enter.enter` takes a fresh process there, `mounts` builds the
root directory, `process.run` runs a command in it. `ownership` records what one user id alone cannot write to disk.
"""
