/** `titok tokenize IMAGE…`: the token ids of images, or the latents of a VAE, a line of JSON each. */
import type { Command } from 'commander';
import { TiTok } from '../../titok/index.ts';
import { type ImageTokenizer, latentsOf, tokenize } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { stopRequest } from '../interruption.ts';
import { addTokenizerOptions, openGivenTokenizer } from '../models.ts';
import { expectAllRead, readPictures } from '../pictures.ts';

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Prints the token ids of images (of a VAE: their latents), one line of JSON each.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .action(async (paths: string[], given) => {
      await openGivenDevice(given, 'highest');
      const { model } = await openGivenTokenizer(given);
      const unread: string[] = [];
      for await (const files of readPictures(paths, model.config.imageSize, unread)) {
        const pictures = files.map(({ picture }) => picture);
        const rows = isContinuous(model)
          ? (await latentsOf(model, pictures)).map((latents) => ({ latents }))
          : (await tokenize(model, pictures)).map((tokens) => ({ tokens }));
        for (const [i, { path }] of files.entries()) console.log(JSON.stringify({ image: path, ...rows[i] }));
        if (stopRequest()) return; // nobody reads on
      }
      expectAllRead(unread);
    });
  addTokenizerOptions(addDeviceOptions(command, 'highest'));
}

const isContinuous = (model: ImageTokenizer): model is TiTok =>
  model instanceof TiTok && model.config.quantizeMode === 'vae';
