"""Prints the lines that are no good news."""

import json
import sys

for line in sys.stdin:
    entry = json.loads(line)
    if entry["severity"] != "INFO":
        print(f"{entry['severity']:<5}  {entry['event']:<20}  {entry['text']:<50}  {entry['message']}")
