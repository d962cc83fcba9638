"""Raters who answer every two seconds, as a process of their own: `python raters.py ADDRESS SECONDS`, cookies on stdin.

Prints JSON: the seconds that every vote took, and what the server refused.
"""

import json
import sys
import threading
import time
from itertools import product

import httpx

CRITERIA = ("alignment", "appearance", "flaws")
PAUSE = 2.0


def main(address: str, seconds: float, cookies: list[dict[str, str]]) -> None:
    times, problems, ready = [], [], threading.Barrier(len(cookies))
    threads = [
        threading.Thread(target=rate, args=(address, seconds, cookie, PAUSE * i / len(cookies), ready, times, problems))
        for i, cookie in enumerate(cookies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"times": times, "problems": problems}))


def rate(address, seconds, cookie, delay, ready, times, problems):
    """One rater: agree, practise, fetch a pair, wait for the others, answer its questions, fetch the next."""
    with httpx.Client(base_url=address, cookies=cookie, timeout=30) as client:

        def post(name, **message):
            before = time.perf_counter()
            reply = client.post(f"/arena-api/{name}", json=message)
            if reply.status_code != 200:
                problems.append((name, reply.text))
            return reply.json(), time.perf_counter() - before

        post("consent")
        for criterion, side in product(CRITERIA, ("left", "right")):  # one of the two is right
            post("practice", criterion=criterion, answer=side)
        pair, _ = post("pair")
        ready.wait()
        time.sleep(delay)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not pair.get("finished"):
            for question in pair.get("questions", ()):
                _, took = post("vote", assignment=pair["assignment"], criterion=question["criterion"], answer="left")
                times.append(took)
                time.sleep(max(PAUSE - took, 0))
            pair, _ = post("pair")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), json.load(sys.stdin))
