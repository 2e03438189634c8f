#!/usr/bin/env node
/** The command line: `npm run --silent titok -- COMMAND …`. */
import { watchOutput } from './interruption.ts';
import { runCommandLine } from './program.ts';

watchOutput();
process.exitCode = await runCommandLine(process.argv.slice(2));
