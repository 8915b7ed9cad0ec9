"""vLLM in a process of its own: `python -m labelbench_plus.language.vllm_worker DESCRIPTOR`.

It starts processes itself, which a crew's workers may not; takes a GPU's memory until it ends; and seeds anew what
shares its process. At the other end of the connection is who asks: first what is to be loaded, then what is to be
written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from labelbench_plus._torchvision_compat import install


def main(descriptor: int) -> None:
    connection: Any = Connection(descriptor)
    heard = _heard(connection)
    if (setup := next(heard, None)) is None:
        return
    install()  # this process is ours
    import vllm
    from vllm.lora.request import LoRARequest

    adapter = None if setup["adapter"] is None else LoRARequest("generator", 1, setup["adapter"])
    engine = vllm.LLM(**setup["options"])
    for asked in heard:
        found = engine.generate(
            [{"prompt_token_ids": ids} for ids in asked["prompts"]],
            [vllm.SamplingParams(**asked["sampling"], seed=seed) for seed in asked["seeds"]],
            lora_request=adapter,
            use_tqdm=False,
        )
        said = [each.outputs[0] for each in found]
        connection.send([(list(each.token_ids), each.finish_reason, each.stop_reason) for each in said])


def _heard(connection: Any) -> Iterator[dict[str, Any]]:
    """What the other end says, until it is gone."""
    try:
        while True:
            yield connection.recv()
    except EOFError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
