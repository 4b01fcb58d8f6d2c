import logging

import anyio

from tests.bench import changes, click

ROUNDS = 300
CHANGES = 3_200


async def main() -> None:
    print("click to resumed call, one waiting, durable (ms)")
    taken = await click.measure(ROUNDS)
    floor, assent = taken["floor"], taken["assent"]
    print(f"  p50   floor {floor.p50:6.2f}   assent {assent.p50:6.2f}   {assent.p50 / floor.p50:5.2f} x")
    print(f"  p99   floor {floor.p99:6.2f}   assent {assent.p99:6.2f}   {assent.p99 / floor.p99:5.2f} x")
    print("durable changes a second, beside bare sqlite3 from one thread")
    bare = changes.floor(CHANGES)
    for writers in (1, 64):
        rate = await changes.assent(CHANGES, writers)
        print(f"  {writers:2} writers   floor {bare:6.0f}   assent {rate:6.0f}   {rate / bare:5.2f} x")


logging.disable(logging.INFO)
anyio.run(main)
