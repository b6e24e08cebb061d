/** Reads the classes of a TypeScript file, and what it says of reasons, from its source: nothing is run. */
import {
  type AssignmentExpression,
  type ClassDeclaration,
  type ClassExpression,
  type ClassProperty,
  type Expression,
  type KeyValueProperty,
  type MemberExpression,
  type Property,
  parseSync,
  type SpreadElement,
  type StringLiteral,
  type TsType,
} from '@swc/core';

/** A class that extends another, as it stands in its file. */
export interface ErrorClass {
  readonly name: string;
  readonly parent: string;
  readonly file: string;
  readonly isAbstract: boolean;
  /** On one line; empty when there is none. */
  readonly docstring: string;
  /** What its properties are set to where they are declared; undefined for one that is set elsewhere. */
  readonly properties: ReadonlyMap<string, Expression | undefined>;
  /** The keys that its `metadata` can have, as far as they are written down. */
  readonly metadata: readonly string[];
}

export function errorClasses(file: string, source: string): readonly ErrorClass[] {
  return nodesOf(source).flatMap((node) => {
    if (!isNode(node, 'ClassDeclaration') && !isNode(node, 'ClassExpression')) return [];
    if (node.superClass?.type !== 'Identifier') return [];
    const { isAbstract } = node;
    const name = node.identifier?.value ?? '';
    const declared = node.body.filter((member) => isNode(member, 'ClassProperty'));
    const metadata = [
      ...declared.filter(({ key }) => isNamed(key, 'metadata')).flatMap(keysOfDeclared),
      ...nodesBelow(node.body).flatMap((inner) =>
        isNode(inner, 'AssignmentExpression') && isProperty(inner.left, 'metadata') ? keysOf(inner.right) : [],
      ),
    ];
    const properties = new Map(declared.map(({ key, value }) => ['value' in key ? String(key.value) : '', value]));
    const docstring = docstringOf(name, source);
    return [{ name, parent: node.superClass.value, file, isAbstract, docstring, properties, metadata }];
  });
}

/** Every string that the source gives to something called `reason`, in whatever way. */
export function reasonStrings(source: string): readonly string[] {
  return nodesOf(source)
    .flatMap((node) => {
      if (isNode(node, 'KeyValueProperty') || isNode(node, 'ClassProperty'))
        return isNamed(node.key, 'reason') ? [node.value] : [];
      return isNode(node, 'AssignmentExpression') && isProperty(node.left, 'reason') ? [node.right] : [];
    })
    .flatMap(nodesBelow)
    .flatMap((node) => (isNode(node, 'StringLiteral') ? [node.value] : []));
}

/** The text of the comment right above a class. */
function docstringOf(name: string, source: string): string {
  const above = new RegExp(String.raw`/\*\*((?:(?!\*/)[^])*)\*/\s*(?:export )?(?:abstract )?class ${name}\b`).exec(source);
  return (above?.[1] ?? '')
    .replaceAll(/^\s*\*/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function keysOfDeclared({ value, typeAnnotation }: ClassProperty): readonly string[] {
  return [...(value ? keysOf(value) : []), ...keysOfType(typeAnnotation?.typeAnnotation)];
}

/** Keys of an object literal and of what is spread into it: `{ a: 1, ...(b && { b }) }` has a and b. */
function keysOf(expression: Expression): readonly string[] {
  switch (expression.type) {
    case 'ObjectExpression':
      return expression.properties.flatMap(keysOfProperty);
    case 'ParenthesisExpression':
    case 'TsAsExpression':
    case 'TsConstAssertion':
    case 'TsSatisfiesExpression':
      return keysOf(expression.expression);
    case 'BinaryExpression':
      return [...keysOf(expression.left), ...keysOf(expression.right)];
    case 'ConditionalExpression':
      return [...keysOf(expression.consequent), ...keysOf(expression.alternate)];
    default:
      return [];
  }
}

function keysOfProperty(property: Property | SpreadElement): readonly string[] {
  if (property.type === 'SpreadElement') return keysOf(property.arguments);
  if (property.type === 'Identifier') return [property.value];
  return 'key' in property && 'value' in property.key ? [String(property.key.value)] : [];
}

/** Keys of a type such as `{ readonly cause: TokenProblem }`. */
function keysOfType(type: TsType | undefined): readonly string[] {
  if (type?.type !== 'TsTypeLiteral') return [];
  return type.members.flatMap((member) =>
    member.type === 'TsPropertySignature' && member.key.type === 'Identifier' ? [member.key.value] : [],
  );
}

/** The kinds of nodes that are looked for. */
type SoughtNode =
  | AssignmentExpression
  | ClassDeclaration
  | ClassExpression
  | ClassProperty
  | KeyValueProperty
  | MemberExpression
  | StringLiteral;

function isNode<T extends SoughtNode['type']>(node: unknown, type: T): node is Extract<SoughtNode, { type: T }> {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === type;
}

const nodesOf = (source: string): readonly unknown[] => nodesBelow(parseSync(source, { syntax: 'typescript' }));

/** A node and all nodes in it. */
function nodesBelow(node: unknown): readonly unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return [node, ...Object.values(node).flatMap(nodesBelow)];
}

const isNamed = (key: object, name: string): boolean => 'value' in key && key.value === name;

const isProperty = (node: unknown, name: string): boolean => isNode(node, 'MemberExpression') && isNamed(node.property, name);
