import { type DescField, type DescFile, ScalarType } from '@bufbuild/protobuf';

/** The type of a field as its contract writes it, e.g. `repeated User`; names of the same package are short. */
export function fieldType(field: DescField): string {
  switch (field.fieldKind) {
    case 'scalar':
      return scalar(field.scalar);
    case 'message':
      return short(field.message, field.parent.file);
    case 'enum':
      return short(field.enum, field.parent.file);
    case 'list':
      return `repeated ${itemType(field, field.listKind)}`;
    case 'map':
      return `map<${scalar(field.mapKey)}, ${itemType(field, field.mapKind)}>`;
  }
}

function itemType(field: DescField & { fieldKind: 'list' | 'map' }, kind: 'scalar' | 'message' | 'enum'): string {
  if (kind === 'scalar') return scalar(field.scalar as ScalarType);
  const type = field.message ?? field.enum;
  return type ? short(type, field.parent.file) : '';
}

const scalar = (type: ScalarType): string => ScalarType[type].toLowerCase();

const short = (type: { readonly typeName: string }, file: DescFile): string => {
  const prefix = `${file.proto.package}.`;
  return type.typeName.startsWith(prefix) ? type.typeName.slice(prefix.length) : type.typeName;
};
