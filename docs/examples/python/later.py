import somagent

with somagent.Runs() as runs:
    waiting = [one.id for one in runs.list() if one.phase == "Waiting"]
    for run_id in waiting:
        run = runs.get(run_id)
        run.approve("agree", by="bo")
        print(run.resume().result().check().outputs["words"])
        print(run.logs("count")[0].text, end="")
        print(run.fetch("page", "copies").read_text(), end="")
