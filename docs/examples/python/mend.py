import somagent

with somagent.Runs() as runs:
    run = runs.start("pull.capsule.yaml", {"host": "date.example"})
    try:
        run.result().check()
    except somagent.RunFailed as failed:
        print(failed)
    again = run.retry(inputs={"host": "data.example"})
    print(again.result().phase, [event.key.step for event in again if event.kind == "attempt"])
