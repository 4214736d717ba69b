#!/usr/bin/env node
// The command of the built package. What is heavy is imported only after the check.
require('./check-node.cjs')

import('./main.js')
