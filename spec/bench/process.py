"""Ratio of two whole commands: exec to exit, output to /dev/null, interleaved, medians.

process.py ROUNDS COMMAND_A COMMAND_B [env NAME=VALUE...] prints time(B) / time(A).
"""
import os
import shlex
import statistics
import subprocess
import sys
import time

rounds = int(sys.argv[1])
commands = [shlex.split(c) for c in sys.argv[2:4]]
environment = dict(os.environ)
for pair in sys.argv[5:]:
    name, _, value = pair.partition("=")
    environment[name] = value
times = [[], []]
for n in range(rounds + 1):
    for i, command in enumerate(commands):
        start = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=environment, check=False)
        if done.returncode != 0:
            sys.exit(f"{command}: exit {done.returncode}: {done.stderr.decode()[:300]}")
        if n:
            times[i].append(time.perf_counter() - start)
print(statistics.median(times[1]) / statistics.median(times[0]))
