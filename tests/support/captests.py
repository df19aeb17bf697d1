"""A capsule with a fan-out, a gate, a requirement and a retry, and the first lines of a file of its tests."""

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: CapsuleTest\nmetadata: { name: triage }\nspec:\n  cases:\n"
TRIAGE = """\
  inputs:
    limit: { type: integer, default: 3 }
  steps:
    fetch:
      script: { run: 'touch "$PLACE/fetched"; echo "tickets=[]" >> "$SOMAGENT_OUTPUT"', env: { PLACE: HERE } }
      retry: { attempts: 3, backoff: 10m, failures: [transient] }
      outputs: { tickets: { type: array, maxItems: 10, items: { $ref: "#/types/Ticket" } } }
    sort:
      forEach: ${{ steps.fetch.tickets }}
      as: ticket
      script: { run: 'echo "level=high" >> "$SOMAGENT_OUTPUT"', env: { TEXT: "${{ ticket.text }}" } }
      outputs: { level: { type: string, enum: [low, high] } }
    ask:
      if: size(steps.fetch.tickets) > inputs.limit
      review: { title: 'Send them all?', reviewers: { notSubmitter: true }, due: 24h }
    send:
      needs: [sort]
      require: size(steps.fetch.tickets) <= 5
      script: { run: 'echo "sent=2" >> "$SOMAGENT_OUTPUT"' }
      outputs: { sent: { type: integer } }
  outputs: { sent: "${{ steps.send.sent }}", levels: "${{ steps.sort.map(s, s.level) }}" }
  types:
    Ticket: { type: object, required: [text], properties: { text: { type: string } } }
"""
