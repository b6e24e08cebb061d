/**
 * The contract with the options by which the compilers of Go, Java and C# name what they generate:
 * `bicameral/users/v1;usersv1`, `bicameral.users.v1` and `Bicameral.Users.V1`. The services of two packages never meet,
 * whatever they are called. An option that the contract sets itself stays.
 *
 * They are added when the contracts are handed out, and do not stand in proto/, because they follow from the package:
 * whoever adds one could only get them wrong. Python has no such option: its modules follow the path.
 */
export function withLanguageOptions(path: string, proto: string): string {
  const [declaration, name = ''] = /^package ([a-z0-9_.]+);\n/m.exec(proto) ?? [];
  if (!declaration) throw new Error(`${path} declares no package`);
  const segments = name.split('.');
  const file = path.slice(path.lastIndexOf('/') + 1, -'.proto'.length);
  const options = {
    csharp_namespace: `"Bicameral.${segments.map(pascalCase).join('.')}"`,
    go_package: `"bicameral/${segments.join('/')};${segments.join('')}"`,
    java_multiple_files: 'true',
    java_outer_classname: `"${pascalCase(file)}Proto"`,
    java_package: `"bicameral.${name}"`,
  };
  const added = Object.entries(options)
    .filter(([option]) => !new RegExp(`^option ${option}\\b`, 'm').test(proto))
    .map(([option, value]) => `option ${option} = ${value};\n`);
  const imports = [...proto.matchAll(/^import .*;\n/gm)];
  const last = imports.at(-1);
  const end = last ? last.index + last[0].length : proto.indexOf(declaration) + declaration.length;
  return `${proto.slice(0, end)}\n${added.join('')}${proto.slice(end)}`;
}

const pascalCase = (name: string): string => name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, first: string) => first.toUpperCase());
