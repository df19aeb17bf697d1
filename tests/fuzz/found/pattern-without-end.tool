apiVersion: somagent.io/v1alpha1
kind: Tool
metadata: { name: a }
spec: { input: { text: { type: string, pattern: '^(a+)+$' } } }
