#!/usr/bin/env node
/** The command line: `npm run --silent titok -- COMMAND …`. */
import { runCommandLine } from './program.ts';

process.exitCode = await runCommandLine(process.argv.slice(2));
