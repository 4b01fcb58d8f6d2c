"""What everybody is left with at the end of the story, by where it was found."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Haul:
    """What everybody was left with, by where it was found; and the secrets of full entropy that went around."""

    places: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    handles: list[str] = field(default_factory=list)
    form_values: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def keep(self, place: str, name: str, content: bytes | str | Any) -> None:
        """Remember bytes, text, or anything that JSON can write."""
        if not isinstance(content, bytes | str):
            content = json.dumps(content, ensure_ascii=False)
        kept = self.places.setdefault(place, {})
        kept[f"{len(kept)} {name}"] = content.encode() if isinstance(content, str) else content

    def keep_files(self, place: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                self.keep(place, str(path.relative_to(folder)), path.read_bytes())
