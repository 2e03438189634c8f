/** Checks of numbers that users give to functions. */
import { expectOption } from './errors.ts';

/** @throws OptionError 'where: expected a whole number from 1 to 16, got 0.' */
export const expectWhole = (where: string, value: number, least: number, most: number): void =>
  expectOption(
    Number.isInteger(value) && value >= least && value <= most,
    where,
    `a whole number from ${least} to ${most}`,
    value,
  );

/** @throws OptionError 'where: expected a number from 0 to 1, got NaN.' */
export const expectNumber = (where: string, value: number, least: number, most: number): void =>
  expectOption(
    typeof value === 'number' && value >= least && value <= most,
    where,
    `a number from ${least} to ${most}`,
    value,
  );
