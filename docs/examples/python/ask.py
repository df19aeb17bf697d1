import somagent

result = somagent.run("words.capsule.yaml", {"text": "one two", "publish": True}, submitter="ana")
try:
    result.check()
except somagent.RunUnfinished as unfinished:
    print(unfinished)
