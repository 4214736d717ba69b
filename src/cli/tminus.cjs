#!/usr/bin/env node
// Starts the command of the built package, after a check of the Node version.
require('./check-node.cjs')

import('./main.js')
