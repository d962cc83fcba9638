"""A picture inside a page or an answer, instead of behind an address."""

import base64


def data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
