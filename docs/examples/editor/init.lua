vim.filetype.add({ pattern = { [".*%.capsule%.yaml"] = "yaml" } })
vim.lsp.config("somagent", {
  cmd = { "somagent", "lsp" },
  filetypes = { "yaml" },
  root_markers = { ".git" },
})
vim.lsp.enable("somagent")
