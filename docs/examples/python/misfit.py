from typing import TypedDict

import somagent


class Counted(TypedDict):
    word: int
    page: str


try:
    somagent.run("words.capsule.yaml", {"text": "one two three"}, outputs=Counted)
except somagent.OutputsRefused as refused:
    print(refused)
