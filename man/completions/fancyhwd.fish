complete --keep-order --exclusive --command fancyhwd --arguments "(_FANCYHWD_COMPLETE=fish fancyhwd -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
