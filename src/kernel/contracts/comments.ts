import type {
  DescEnum,
  DescEnumValue,
  DescExtension,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescService,
} from '@bufbuild/protobuf';
import type { SourceCodeInfo_Location } from '@bufbuild/protobuf/wkt';

type Commented = DescEnum | DescEnumValue | DescExtension | DescField | DescMessage | DescMethod | DescService;

/** What stands above a declaration in the contract, without the marks of comments; empty when nothing does. */
export function commentOf(desc: Commented): string {
  const leading = locationsOf(fileOf(desc)).get(pathOf(desc).join('.'))?.leadingComments ?? '';
  return leading.replaceAll(/^ /gm, '').trim();
}

/** Line breaks of a comment say nothing; its paragraphs do. */
export const unwrapped = (comment: string): string => comment.replaceAll(/(?<!\n)\n(?!\n)/g, ' ');

const locations = new WeakMap<DescFile, ReadonlyMap<string, SourceCodeInfo_Location>>();

function locationsOf(file: DescFile): ReadonlyMap<string, SourceCodeInfo_Location> {
  let known = locations.get(file);
  if (!known) {
    known = new Map(file.proto.sourceCodeInfo?.location.map((location) => [location.path.join('.'), location]));
    locations.set(file, known);
  }
  return known;
}

function fileOf(desc: Commented): DescFile {
  if ('file' in desc) return desc.file;
  return desc.kind === 'rpc' || desc.kind === 'field' || desc.kind === 'enum_value' ? desc.parent.file : fileOf(desc);
}

/** The path of a declaration in its file, by the field numbers of descriptor.proto. */
function pathOf(desc: Commented): readonly number[] {
  switch (desc.kind) {
    case 'service':
      return [6, desc.file.services.indexOf(desc)];
    case 'rpc':
      return [...pathOf(desc.parent), 2, desc.parent.methods.indexOf(desc)];
    case 'message':
      return desc.parent
        ? [...pathOf(desc.parent), 3, desc.parent.proto.nestedType.indexOf(desc.proto)]
        : [4, desc.file.proto.messageType.indexOf(desc.proto)];
    case 'field':
      return [...pathOf(desc.parent), 2, desc.parent.proto.field.indexOf(desc.proto)];
    case 'enum':
      return desc.parent
        ? [...pathOf(desc.parent), 4, desc.parent.proto.enumType.indexOf(desc.proto)]
        : [5, desc.file.proto.enumType.indexOf(desc.proto)];
    case 'enum_value':
      return [...pathOf(desc.parent), 2, desc.parent.proto.value.indexOf(desc.proto)];
    case 'extension':
      return [7, desc.file.proto.extension.indexOf(desc.proto)];
  }
}
