from dataclasses import dataclass

import somagent


@dataclass
class Counted:
    words: int
    page: somagent.Artifact


result = somagent.run("words.capsule.yaml", {"text": "one two three"}, outputs=Counted)
print(result.phase, result.outputs.words, result.outputs.page.size)
