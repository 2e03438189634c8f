/** `titok tokenize IMAGE…`: the token ids of images, a line of JSON each. */
import type { Command } from 'commander';
import { tokenize } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { stopRequest } from '../interruption.ts';
import { addTokenizerOptions, openGivenTokenizer } from '../models.ts';
import { expectAllRead, readPictures } from '../pictures.ts';

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Prints the token ids of images, one line of JSON each.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .action(async (paths: string[], given) => {
      await openGivenDevice(given, 'highest');
      const { model } = await openGivenTokenizer(given);
      const unread: string[] = [];
      for await (const files of readPictures(paths, model.config.imageSize, unread)) {
        const rows = await tokenize(
          model,
          files.map(({ picture }) => picture),
        );
        for (const [i, { path }] of files.entries()) console.log(JSON.stringify({ image: path, tokens: rows[i] }));
        if (stopRequest()) return; // nobody reads on
      }
      expectAllRead(unread);
    });
  addTokenizerOptions(addDeviceOptions(command, 'highest'));
}
