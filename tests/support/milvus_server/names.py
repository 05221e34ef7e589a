"""Names that Milvus takes."""

import re


def is_name(text: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", text) is not None
