import somagent

result = somagent.run("release-notes.capsule.yaml", {"since": "v1.0"})
print(result.phase)
